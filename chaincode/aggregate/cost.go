package aggregate

import "time"

// What the parts of a verification cost on one modest core, on the careful side; benchmarks/aggregate measures them.
const (
	costUpdate    = 1536 * time.Nanosecond // read, hash and add, per KiB of an update
	costMask      = 512 * time.Nanosecond  // keystream and add, per KiB of a mask
	costAgreement = 100 * time.Microsecond // X25519 and key derivation, per pair
	costWord      = 128 * time.Nanosecond  // add, per KiB of words in memory
	costShare     = time.Microsecond       // per share of a rebuilt secret
	costBasis     = 300 * time.Nanosecond  // per pair of receivers, once per set of receivers
)

// Cost estimates the time of a verification from sizes alone: the same on every endorser.
func (in Inputs) Cost() time.Duration {
	survivors, dropouts := int64(len(in.survivors())), int64(len(in.dropouts()))
	pairs, threshold := in.pairs(), int64(in.Threshold)
	kibibytes := int64(in.Layout.Bytes()+1023) / 1024
	vectors := kibibytes * (survivors*int64(costUpdate) + (survivors+pairs)*int64(costMask))
	if in.Rule != nil {
		groups := int64(len(in.groups()))
		vectors += kibibytes * groups * (int64(in.Rule.Effort(int(groups)))*int64(costWord) + int64(costUpdate))
		if in.Rule.Surveys() && groups*kibibytes > keptBytes/1024 {
			vectors += kibibytes * (survivors*int64(costUpdate) + (survivors+pairs)*int64(costMask))
		}
	}
	secrets := (survivors+dropouts)*threshold*int64(costShare) + threshold*threshold*int64(costBasis)
	return time.Duration(vectors + secrets + pairs*int64(costAgreement))
}

// pairs counts the dropouts and survivors that share a mask.
func (in Inputs) pairs() int64 {
	survivors, dropouts := map[int]int64{}, map[int]int64{}
	for _, p := range in.Cohort {
		switch {
		case p.Survivor:
			survivors[p.Group]++
		case p.Shared:
			dropouts[p.Group]++
		}
	}
	total := int64(0)
	for group, left := range dropouts { // any order: into a sum
		total += left * survivors[group]
	}
	return total
}
