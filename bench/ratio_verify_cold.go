package bench

func init() {
	registerRatio(Ratio{
		Name: "verify-cold-vs-golang-jwt",
		Goal: 13,
		New:  func() (subject, peer Contestant, err error) { return verifying(portcullisName, golangJWTName) },
	})
}

// verifying returns two peers that verify the same 1,000 distinct tokens in turn,
// with no cache, after both have shown what they admit and refuse.
func verifying(subjectName, peerName string) (subject, peer Contestant, err error) {
	tokens, err := MeasuredTokens(1000)
	if err != nil {
		return subject, peer, err
	}
	both := [2]Contestant{{Name: subjectName}, {Name: peerName}}
	for i := range both {
		p, err := PeerNamed(both[i].Name)
		if err != nil {
			return subject, peer, err
		}
		if _, err := CheckPeer(p); err != nil {
			return subject, peer, err
		}
		verify, err := p.New(Keys())
		if err != nil {
			return subject, peer, err
		}
		both[i].Run = func(n int) error {
			for next := 0; n > 0; n-- {
				if err := verify(&tokens[next]); err != nil {
					return err
				}
				if next++; next == len(tokens) {
					next = 0
				}
			}
			return nil
		}
	}
	return both[0], both[1], nil
}
