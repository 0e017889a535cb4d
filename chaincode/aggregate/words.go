package aggregate

import "encoding/binary"

// words is a chunk of a vector as integers: 64-bit words first, then 32-bit words.
type words struct {
	wide   []uint64
	narrow []uint32
}

// of cuts storage for the chunk [start, end) of a vector whose 64-bit part ends at the byte boundary.
func (w words) of(start, end, boundary int) words {
	wide := min(max(boundary-start, 0), end-start)
	return words{w.wide[:wide/8], w.narrow[:(end-start-wide)/4]}
}

func newWords(bytes int) words {
	return words{make([]uint64, bytes/8), make([]uint32, bytes/4)}
}

func (w words) clear() {
	clear(w.wide)
	clear(w.narrow)
}

// add adds the little-endian words of data, word by word, each modulo its size.
func (w words) add(data []byte) {
	split := 8 * len(w.wide)
	add64(w.wide, data[:split])
	add32(w.narrow, data[split:])
}

// subtract takes them away.
func (w words) subtract(data []byte) {
	split := 8 * len(w.wide)
	subtract64(w.wide, data[:split])
	subtract32(w.narrow, data[split:])
}

// unmask adds data and takes mask away, in one pass.
func (w words) unmask(data, mask []byte) {
	split := 8 * len(w.wide)
	unmask64(w.wide, data[:split], mask[:split])
	unmask32(w.narrow, data[split:], mask[split:])
}

// merge adds another chunk of the same shape.
func (w words) merge(other words) {
	for i := range w.wide {
		w.wide[i] += other.wide[i]
	}
	for i := range w.narrow {
		w.narrow[i] += other.narrow[i]
	}
}

// bytes writes the words little-endian into out.
func (w words) bytes(out []byte) {
	put64(out[:8*len(w.wide)], w.wide)
	put32(out[8*len(w.wide):], w.narrow)
}

// The loops below take several words a turn through array pointers, which spares a bounds check per word: adding
// must stay far cheaper than hashing the same bytes. Chunks are multiples of 16 bytes; the tails take what is left.

var little = binary.LittleEndian

func put32(out []byte, words []uint32) {
	for len(words) >= 4 && len(out) >= 16 {
		o, w := (*[16]byte)(out), (*[4]uint32)(words)
		little.PutUint32(o[0:], w[0])
		little.PutUint32(o[4:], w[1])
		little.PutUint32(o[8:], w[2])
		little.PutUint32(o[12:], w[3])
		out, words = out[16:], words[4:]
	}
	for i, word := range words {
		little.PutUint32(out[4*i:], word)
	}
}

func put64(out []byte, words []uint64) {
	for i, word := range words {
		little.PutUint64(out[8*i:], word)
	}
}

func add32(sum []uint32, data []byte) {
	for len(sum) >= 8 && len(data) >= 32 {
		s, d := (*[8]uint32)(sum), (*[32]byte)(data)
		s[0] += little.Uint32(d[0:])
		s[1] += little.Uint32(d[4:])
		s[2] += little.Uint32(d[8:])
		s[3] += little.Uint32(d[12:])
		s[4] += little.Uint32(d[16:])
		s[5] += little.Uint32(d[20:])
		s[6] += little.Uint32(d[24:])
		s[7] += little.Uint32(d[28:])
		sum, data = sum[8:], data[32:]
	}
	for i := range sum {
		sum[i] += little.Uint32(data[4*i:])
	}
}

func subtract32(sum []uint32, data []byte) {
	for len(sum) >= 8 && len(data) >= 32 {
		s, d := (*[8]uint32)(sum), (*[32]byte)(data)
		s[0] -= little.Uint32(d[0:])
		s[1] -= little.Uint32(d[4:])
		s[2] -= little.Uint32(d[8:])
		s[3] -= little.Uint32(d[12:])
		s[4] -= little.Uint32(d[16:])
		s[5] -= little.Uint32(d[20:])
		s[6] -= little.Uint32(d[24:])
		s[7] -= little.Uint32(d[28:])
		sum, data = sum[8:], data[32:]
	}
	for i := range sum {
		sum[i] -= little.Uint32(data[4*i:])
	}
}

func add64(sum []uint64, data []byte) {
	for len(sum) >= 4 && len(data) >= 32 {
		s, d := (*[4]uint64)(sum), (*[32]byte)(data)
		s[0] += little.Uint64(d[0:])
		s[1] += little.Uint64(d[8:])
		s[2] += little.Uint64(d[16:])
		s[3] += little.Uint64(d[24:])
		sum, data = sum[4:], data[32:]
	}
	for i := range sum {
		sum[i] += little.Uint64(data[8*i:])
	}
}

func subtract64(sum []uint64, data []byte) {
	for len(sum) >= 4 && len(data) >= 32 {
		s, d := (*[4]uint64)(sum), (*[32]byte)(data)
		s[0] -= little.Uint64(d[0:])
		s[1] -= little.Uint64(d[8:])
		s[2] -= little.Uint64(d[16:])
		s[3] -= little.Uint64(d[24:])
		sum, data = sum[4:], data[32:]
	}
	for i := range sum {
		sum[i] -= little.Uint64(data[8*i:])
	}
}

func unmask32(sum []uint32, data, mask []byte) {
	for len(sum) >= 16 && len(data) >= 64 && len(mask) >= 64 {
		s, d, m := (*[16]uint32)(sum), (*[64]byte)(data), (*[64]byte)(mask)
		s[0] += little.Uint32(d[0:]) - little.Uint32(m[0:])
		s[1] += little.Uint32(d[4:]) - little.Uint32(m[4:])
		s[2] += little.Uint32(d[8:]) - little.Uint32(m[8:])
		s[3] += little.Uint32(d[12:]) - little.Uint32(m[12:])
		s[4] += little.Uint32(d[16:]) - little.Uint32(m[16:])
		s[5] += little.Uint32(d[20:]) - little.Uint32(m[20:])
		s[6] += little.Uint32(d[24:]) - little.Uint32(m[24:])
		s[7] += little.Uint32(d[28:]) - little.Uint32(m[28:])
		s[8] += little.Uint32(d[32:]) - little.Uint32(m[32:])
		s[9] += little.Uint32(d[36:]) - little.Uint32(m[36:])
		s[10] += little.Uint32(d[40:]) - little.Uint32(m[40:])
		s[11] += little.Uint32(d[44:]) - little.Uint32(m[44:])
		s[12] += little.Uint32(d[48:]) - little.Uint32(m[48:])
		s[13] += little.Uint32(d[52:]) - little.Uint32(m[52:])
		s[14] += little.Uint32(d[56:]) - little.Uint32(m[56:])
		s[15] += little.Uint32(d[60:]) - little.Uint32(m[60:])
		sum, data, mask = sum[16:], data[64:], mask[64:]
	}
	for i := range sum {
		sum[i] += little.Uint32(data[4*i:]) - little.Uint32(mask[4*i:])
	}
}

func unmask64(sum []uint64, data, mask []byte) {
	for len(sum) >= 4 && len(data) >= 32 && len(mask) >= 32 {
		s, d, m := (*[4]uint64)(sum), (*[32]byte)(data), (*[32]byte)(mask)
		s[0] += little.Uint64(d[0:]) - little.Uint64(m[0:])
		s[1] += little.Uint64(d[8:]) - little.Uint64(m[8:])
		s[2] += little.Uint64(d[16:]) - little.Uint64(m[16:])
		s[3] += little.Uint64(d[24:]) - little.Uint64(m[24:])
		sum, data, mask = sum[4:], data[32:], mask[32:]
	}
	for i := range sum {
		sum[i] += little.Uint64(data[8*i:]) - little.Uint64(mask[8*i:])
	}
}
