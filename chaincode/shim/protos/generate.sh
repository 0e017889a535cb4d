#!/bin/sh
# Generates the Go messages from the .proto files beside this script; run it after changing one.
# Needs grpcio-tools in the project's environment, and a Go toolchain for the two plugins.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
plugins=$(mktemp -d)
trap 'rm -rf "$plugins"' EXIT
GOBIN=$plugins go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.11
GOBIN=$plugins go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
cd "$here"
PATH="$plugins:$PATH" "$root/.venv/bin/python" -m grpc_tools.protoc -I . \
  --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative \
  common/*.proto msp/*.proto ledger/queryresult/*.proto peer/*.proto
