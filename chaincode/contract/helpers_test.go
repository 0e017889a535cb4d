package contract_test

import (
	"slices"

	"fedledger/chaincode/aggregate"
	"fedledger/chaincode/contract/contracttest"
	"fedledger/chaincode/round"
)

func flags(f *contracttest.Federation, participant string) []round.Flag {
	var listing struct{ Items []round.Flag }
	f.Query("ListFlags", object{"page_size": 200}, &listing)
	return slices.DeleteFunc(listing.Items, func(flag round.Flag) bool { return flag.Participant != participant })
}

func rewarded(f *contracttest.Federation, number int) map[string]uint64 {
	var listing struct {
		Items []struct {
			Participant string
			Amount      uint64
		}
	}
	f.Query("ListRewards", object{"training": "tumour", "round": number}, &listing)
	amounts := map[string]uint64{}
	for _, item := range listing.Items {
		amounts[item.Participant] = item.Amount
	}
	return amounts
}

// garbage is what a round sums whose third member put 77 where each puts 1.
func garbage(place int, segment aggregate.Segment, _ uint64) uint64 {
	if place == 2 && segment.Kind == "one" {
		return 77
	}
	return 1
}
