package round

// AdvanceBy is Advance by another table.
var AdvanceBy = advanceBy
