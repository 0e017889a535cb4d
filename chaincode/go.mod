module fedledger/chaincode

go 1.25
