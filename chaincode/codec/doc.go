// Package codec holds the two encodings that every digest and every argument rests on: canonical JSON and the tagged hash.
// fl_node/canonical.py is its twin; tests/vectors/canonical.json and tagged_hash.json are run by both.
package codec
