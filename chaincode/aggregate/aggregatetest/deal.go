package aggregatetest

import (
	"crypto/sha256"
	"math/big"

	"fedledger/chaincode/secagg"
)

var prime = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 521), big.NewInt(1))

// deal splits the secrets of a member and builds the tree over the shares.
func (r *Round) deal(place int) {
	m := r.Members[place]
	m.shares = map[secagg.Kind][][secagg.ShareBytes]byte{
		secagg.KindMask: r.split(m.MaskSecret), secagg.KindSeed: r.split(m.Seed),
	}
	r.Commit(place)
}

// Commit builds the tree over a member's shares and sets its root.
func (r *Round) Commit(place int) {
	m, leaves := r.Members[place], [][]byte{}
	for to, receiver := range r.Members {
		for _, kind := range []secagg.Kind{secagg.KindMask, secagg.KindSeed} {
			leaf := secagg.ShareLeaf(r.Inputs.Session, m.ID, receiver.ID, kind, m.shares[kind][to])
			leaves = append(leaves, leaf[:])
		}
	}
	m.tree = TreeOf(leaves)
	m.SharesRoot = m.tree[len(m.tree)-1][0]
}

// Dealt is what a dealer dealt to a receiver: a share of its mask key, one of its seed, and their common path.
func (r *Round) Dealt(dealer, to int) (mask, seed [secagg.ShareBytes]byte, path []secagg.Digest) {
	m := r.Members[dealer]
	return m.shares[secagg.KindMask][to], m.shares[secagg.KindSeed][to], Path(m.tree, 2*to)[1:]
}

// Spoil deals a wrong share of one kind to a receiver and commits to it: the fault of a dealer.
func (r *Round) Spoil(dealer, receiver int, kind secagg.Kind) {
	r.Members[dealer].shares[kind][receiver][65] ^= 1
	r.Commit(dealer)
	r.reveal()
}

// split is Shamir's: values of a random polynomial of degree threshold−1 at 1 … n.
func (r *Round) split(secret [32]byte) [][secagg.ShareBytes]byte {
	coefficients := []*big.Int{new(big.Int).SetBytes(secret[:])}
	for range r.Inputs.Threshold - 1 {
		var wide [80]byte
		r.fill(wide[:])
		coefficients = append(coefficients, new(big.Int).Mod(new(big.Int).SetBytes(wide[:]), prime))
	}
	shares := make([][secagg.ShareBytes]byte, len(r.Members))
	for place := range shares {
		x, value := big.NewInt(int64(place+1)), new(big.Int)
		for i := len(coefficients) - 1; i >= 0; i-- {
			value.Mul(value, x).Add(value, coefficients[i]).Mod(value, prime)
		}
		value.FillBytes(shares[place][:])
	}
	return shares
}

// TreeOf is the tree over leaf values.
func TreeOf(leaves [][]byte) [][]secagg.Digest {
	hashes := make([]secagg.Digest, len(leaves))
	for i, leaf := range leaves {
		hashes[i] = sha256.Sum256(append([]byte{0}, leaf...))
	}
	return Tree(hashes)
}

// Tree is every level of the tree of RFC 6962 over leaf hashes. A last node without a sibling moves up as it is, which
// gives the same tree as the recursive definition.
func Tree(leaves []secagg.Digest) [][]secagg.Digest {
	levels := [][]secagg.Digest{leaves}
	for level := leaves; len(level) > 1; {
		var above []secagg.Digest
		for i := 0; i < len(level); i += 2 {
			if i+1 == len(level) {
				above = append(above, level[i])
				continue
			}
			above = append(above, sha256.Sum256(append(append([]byte{1}, level[i][:]...), level[i+1][:]...)))
		}
		levels, level = append(levels, above), above
	}
	return levels
}

// Path is the audit path of a leaf, leaf to root.
func Path(levels [][]secagg.Digest, index int) []secagg.Digest {
	var path []secagg.Digest
	for _, level := range levels[:len(levels)-1] {
		if sibling := index ^ 1; sibling < len(level) {
			path = append(path, level[sibling])
		}
		index /= 2
	}
	return path
}

// reveal opens, for every receiver that shared, the seed shares of survivors and the mask-key shares of dropouts.
func (r *Round) reveal() {
	for dealer := range r.Inputs.Cohort {
		r.Inputs.Cohort[dealer].Shares = nil
	}
	for receiver, member := range r.Inputs.Cohort {
		r.Reveals[receiver] = nil
		if !member.Shared {
			continue
		}
		for dealer := range r.Inputs.Cohort {
			r.open(dealer, receiver)
		}
	}
}

func (r *Round) open(dealer, receiver int) {
	p, m := &r.Inputs.Cohort[dealer], r.Members[dealer]
	if !p.Shared || !r.opens(dealer) {
		return
	}
	kind, index := secagg.KindMask, 2*receiver
	if p.Survivor {
		kind, index = secagg.KindSeed, index+1
	}
	value := m.shares[kind][receiver]
	p.Shares = append(p.Shares, secagg.Share{Receiver: receiver, Value: value})
	if r.options.Fast {
		return
	}
	r.Reveals[receiver] = append(r.Reveals[receiver], secagg.Reveal{
		Dealer: p.ID, Receiver: r.Members[receiver].ID, Kind: kind, Value: value, Proof: Path(m.tree, index),
	})
}
