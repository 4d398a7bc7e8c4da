// Command ratio measures every ratio of speed and prints one line for each,
//
//	RATIO <name> <value> goal <goal>
//
// on stdout. What stands behind the value goes to stderr: what each peer admits
// beyond what it should, and the medians with their spread.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"portcullis/bench"
)

func main() {
	rounds := flag.Int("rounds", 41, "rounds of each ratio")
	slice := flag.Duration("slice", 100*time.Millisecond, "time of each contestant in a round")
	only := flag.String("only", "", "measure only ratios whose name holds this text")
	flag.Parse()
	if *rounds < 1 || *slice <= 0 || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(os.Stdout, os.Stderr, *rounds, *slice, *only); err != nil {
		fmt.Fprintln(os.Stderr, "ratio:", err)
		os.Exit(1)
	}
}

func run(out, detail io.Writer, rounds int, slice time.Duration, only string) error {
	for _, p := range bench.Peers() {
		also, err := bench.CheckPeer(p)
		if err != nil {
			return err
		}
		row := "refuses all that Portcullis refuses"
		if len(also) > 0 {
			row = fmt.Sprintf("also admits %d that Portcullis refuses: %s", len(also), strings.Join(also, "; "))
		}
		fmt.Fprintf(detail, "%-12s admits the good set, refuses forged, expired, wrong-key, none and HS512; %s\n", p.Name, row)
	}
	measured := 0
	for _, r := range bench.Ratios() {
		if !strings.Contains(r.Name, only) {
			continue
		}
		subject, peer, err := r.New()
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		result, err := bench.Measure(subject, peer, rounds, slice)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		fmt.Fprintf(detail, "%s: %d rounds in turns\n", r.Name, result.Rounds)
		for _, c := range []struct {
			name string
			s    bench.Spread
		}{{subject.Name, result.Subject}, {peer.Name, result.Peer}} {
			fmt.Fprintf(detail, "  %-12s median %8.1f ns  min %8.1f  max %8.1f\n", c.name, c.s.Median, c.s.Min, c.s.Max)
		}
		fmt.Fprintf(detail, "  %-12s median %8.2f     min %8.2f  max %8.2f\n", "round by round", result.OfRounds.Median, result.OfRounds.Min, result.OfRounds.Max)
		fmt.Fprintf(out, "RATIO %s %.2f goal %g\n", r.Name, result.Value, r.Goal)
		measured++
	}
	if measured == 0 {
		return fmt.Errorf("no ratio's name holds %q", only)
	}
	return nil
}
