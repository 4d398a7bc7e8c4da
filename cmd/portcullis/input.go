package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portcullis/capability"
	"portcullis/engine"
	"portcullis/internal/config"
)

// keyVariable is the environment variable that Ably's tools read the key from.
const keyVariable = "ABLY_API_KEY"

const keyUsage = "API key appId.keyId:secret, @FILE, or - for stdin (default: the environment's " + keyVariable + ")"

// maxInput bounds one token or key that is read from a file or stdin.
const maxInput = 64 << 10

// readArgument returns the value that an argument stands for: itself, the
// content of @FILE, or stdin for "-", in both cases without white space around.
func readArgument(cmd *cobra.Command, argument string) (string, error) {
	switch path, isFile := strings.CutPrefix(argument, "@"); {
	case argument == "-":
		return readAll(cmd.InOrStdin(), "stdin")
	case isFile:
		f, err := os.Open(path)
		if err != nil {
			return "", fail(exitUsage, err)
		}
		defer f.Close()
		return readAll(f, path)
	}
	return argument, nil
}

func readAll(r io.Reader, name string) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	switch {
	case err != nil:
		return "", failf(exitUsage, "reading %s: %w", name, err)
	case len(text) > maxInput:
		return "", failf(exitUsage, "%s holds more than %d bytes", name, maxInput)
	}
	return string(bytes.TrimSpace(text)), nil
}

// readKey returns the API key that --key or the environment gives.
func readKey(cmd *cobra.Command, flag string) (engine.Secret, error) {
	key, source := os.Getenv(keyVariable), keyVariable
	if flag != "" {
		source = "--key"
		var err error
		if key, err = readArgument(cmd, flag); err != nil {
			return "", err
		}
	}
	if key == "" {
		return "", failf(exitUsage, "no API key: give --key, or set %s", keyVariable)
	}
	if why := misread(key); why != "" {
		return "", failf(exitUsage, "%s is not an API key as it was issued: %s", source, why)
	}
	return engine.Secret(key), nil
}

// readSigner returns a Signer of the API key that --key or the environment gives.
func readSigner(cmd *cobra.Command, flag string) (*engine.Signer, error) {
	key, err := readKey(cmd, flag)
	if err != nil {
		return nil, err
	}
	signer, err := engine.NewSigner(key)
	if err != nil {
		return nil, fail(exitUsage, err)
	}
	return signer, nil
}

// eachLine calls f for every line of r, empty ones too, without the white space
// around it. Of a line that is too long to be anything f gets the beginning, which
// is still too long. A reader without any line is an error: whoever pipes nothing
// in has lost something.
func eachLine(r io.Reader, f func(line string) error) error {
	lines := bufio.NewReaderSize(r, maxInput)
	for n := 0; ; n++ {
		line, long, err := lines.ReadLine()
		if errors.Is(err, io.EOF) {
			if n == 0 {
				return failf(exitUsage, "nothing on standard input")
			}
			return nil
		}
		text := strings.TrimSpace(string(line))
		for long && err == nil {
			_, long, err = lines.ReadLine()
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return failf(exitUsage, "stdin, line %d: %w", n+1, err)
		}
		if err := f(text); err != nil {
			return err
		}
	}
}

// tellWhoWaits says on a terminal what is being waited for.
func tellWhoWaits(cmd *cobra.Command, what string) {
	if f, ok := cmd.InOrStdin().(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "reading %s from standard input, one a line; Ctrl-D ends it\n", what)
		}
	}
}

// misread says why a text is no API key as it was issued: what shells and copying
// put around it.
func misread(key string) string {
	name, _, _ := strings.Cut(key, ":")
	switch {
	case strings.ContainsAny(name, "\"'`"):
		return "it holds a quote"
	case strings.ContainsAny(key, " \t\r\n"):
		return "it holds white space"
	case strings.Contains(name, "="):
		return "it holds an equals sign: give only what stands behind it"
	}
	return ""
}

// parseAt reads a point in time: unix seconds, or RFC 3339; "" is now.
func parseAt(text string) (engine.UnixMilli, error) {
	if text == "" {
		return engine.Now(), nil
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil && seconds >= 0 && seconds <= 1<<53/1000 {
		return engine.UnixMilli(seconds * 1000), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, failf(exitUsage, "--at %q is neither unix seconds nor RFC 3339", text)
	}
	return engine.UnixMilli(at.UnixMilli()), nil
}

// question is what a verdict is asked about beside the credential.
type question struct {
	channel, op, clientID string
}

func (q *question) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&q.channel, "channel", "", "ask about an operation on this channel (with --op)")
	cmd.Flags().StringVar(&q.op, "op", "", "the operation: "+strings.Join(capability.OpNames(), ", "))
	cmd.Flags().StringVar(&q.clientID, "client-id", "", "the clientId that the client asks for")
}

func (q *question) operation() (capability.Op, error) {
	if q.op == "" {
		if q.channel != "" {
			return 0, failf(exitUsage, "--channel and --op go together")
		}
		return 0, nil
	}
	op, err := parseOp(q.op)
	if err == nil && q.channel == "" {
		err = failf(exitUsage, "--channel and --op go together")
	}
	return op, err
}

func parseOp(name string) (capability.Op, error) {
	op := capability.ParseOp([]byte(name))
	if op == 0 || op == capability.All {
		return 0, failf(exitUsage, "%q is not an operation; there are: %s", name, strings.Join(capability.OpNames(), ", "))
	}
	return op, nil
}

// newLocalVerifier returns a Verifier of the configuration's keys, or of one API
// key alone.
func newLocalVerifier(cmd *cobra.Command, configPath, keyFlag string) (*engine.Verifier, error) {
	var options engine.Options
	if configPath != "" {
		c, err := config.Load(configPath)
		if err != nil {
			return nil, fail(exitConfig, err)
		}
		if options, err = c.Options(); err != nil {
			return nil, fail(exitConfig, err)
		}
		options.CacheBytes = 0
	} else {
		key, err := readKey(cmd, keyFlag)
		if err != nil {
			return nil, err
		}
		name, secret, found := strings.Cut(string(key), ":")
		if !found {
			return nil, fail(exitUsage, errors.New("the API key is not of the form appId.keyId:secret"))
		}
		options = engine.Options{Keys: []engine.Key{{Name: name, Secret: engine.Secret(secret)}}, Tokens: engine.TokenRules{AllowWeakSecrets: true}}
	}
	v, err := engine.NewVerifier(options)
	if err != nil {
		return nil, fail(exitConfig, fmt.Errorf("the key cannot be used: %w", err))
	}
	return v, nil
}
