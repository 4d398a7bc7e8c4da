// Package nearest finds the known name that somebody probably meant.
package nearest

// Name returns the candidate with the smallest edit distance to name, letters
// of different case counting as near, or "" when none is close.
func Name(name string, candidates []string) string {
	best, bestDistance := "", 2*(len(name)/2+1)+1
	for _, c := range candidates {
		if d := distance(name, c); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance of bytes, where a change of case costs 1
// and any other change 2.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = 2 * j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = 2 * (i + 1)
		for j := range len(b) {
			cost := diagonal + change(a[i], b[j])
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+2, row[j+1]+2)
		}
	}
	return row[len(b)]
}

func change(x, y byte) int {
	switch {
	case x == y:
		return 0
	case x|0x20 == y|0x20 && 'a' <= x|0x20 && x|0x20 <= 'z':
		return 1
	}
	return 2
}
