package aggregate

// SumKeeping is Sum with another limit of what is kept between two passes.
var SumKeeping = sum
