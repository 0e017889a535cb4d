// Package selection draws cohorts: weighted, without replacement, in integers, from a seed that nobody chose. Every input
// is on the ledger, so that anyone can draw again.
package selection

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"fedledger/chaincode/codec"
)

// Candidate is a participant as it stood when the snapshot was taken. The four factors are in thousandths, 1 to 1000.
type Candidate struct {
	Participant  string `json:"participant"`
	MSPID        string `json:"msp_id"`
	Availability uint64 `json:"availability"`
	Quality      uint64 `json:"quality"`
	Stake        uint64 `json:"stake"`
	Reputation   uint64 `json:"reputation"`
}

// Weight is the product of the factors, at most 10^12.
func (c Candidate) Weight() uint64 {
	return c.Availability * c.Quality * c.Stake * c.Reputation
}

// stream yields integers from H(draw, seed, context…, counter).
type stream struct {
	parts   [][]byte
	counter uint64
}

// below returns a uniform integer in 0 … n-1. Numbers from the last, incomplete run of n are drawn again, so that no
// result is favoured.
func (s *stream) below(n uint64) uint64 {
	limit := math.MaxUint64 - math.MaxUint64%n
	for {
		block := codec.Hash(codec.LabelDraw, append(slices.Clone(s.parts), codec.U64(s.counter))...)
		s.counter++
		if number := binary.BigEndian.Uint64(block[:8]); number < limit {
			return number % n
		}
	}
}

// Draw orders all candidates: each place goes to one of those left, with a chance in proportion to its weight. Candidates
// are taken in the order of their ids, whatever order they come in.
func Draw(seed []byte, training string, epoch uint64, candidates []Candidate) []Candidate {
	left := slices.Clone(candidates)
	slices.SortFunc(left, func(a, b Candidate) int { return strings.Compare(a.Participant, b.Participant) })
	source := &stream{parts: [][]byte{seed, []byte(training), codec.U64(epoch)}}
	total := uint64(0)
	for _, candidate := range left {
		total += candidate.Weight()
	}
	order := make([]Candidate, 0, len(left))
	for len(left) > 0 {
		at, sum := source.below(total), uint64(0)
		for i, candidate := range left {
			if sum += candidate.Weight(); at < sum {
				order, total = append(order, candidate), total-candidate.Weight()
				left = slices.Delete(left, i, i+1)
				break
			}
		}
	}
	return order
}

// Shuffle orders names without weights: the order in which a cohort's members may propose the aggregate.
func Shuffle(seed []byte, training string, round, attempt uint64, names []string) []string {
	source := &stream{parts: [][]byte{seed, []byte(training), codec.U64(round), codec.U64(attempt), []byte("aggregators")}}
	order := slices.Clone(names)
	for i := len(order) - 1; i > 0; i-- {
		j := int(source.below(uint64(i + 1)))
		order[i], order[j] = order[j], order[i]
	}
	return order
}
