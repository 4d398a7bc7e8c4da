package main

import (
	"os"

	"github.com/spf13/cobra"

	"portcullis/internal/config"
)

// configFlags are the flags of verbs that read the whole configuration.
type configFlags struct {
	path   string
	values [len(settingFlags)]string
}

// settingFlags stand for values of the configuration, and win over it.
var settingFlags = [...]struct{ name, path, usage string }{
	{"listen", "server.listen", "address of the server, instead of server.listen"},
	{"admin-listen", "server.admin_listen", "address of metrics, health and reload, instead of server.admin_listen"},
	{"log-level", "log.level", "debug, info, warn or error, instead of log.level"},
	{"log-format", "log.format", "json or text, instead of log.format"},
}

func (f *configFlags) add(cmd *cobra.Command) {
	addConfigFlag(cmd, &f.path)
	for i, s := range settingFlags {
		cmd.Flags().StringVar(&f.values[i], s.name, "", s.usage)
	}
}

func addConfigFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "", "the configuration file")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
}

// load reads the configuration, and returns where it was read from as well.
func (f *configFlags) load(cmd *cobra.Command) (config.Source, config.Config, error) {
	source, err := f.source(cmd)
	if err != nil {
		return source, config.Config{}, err
	}
	c, err := source.Load()
	if err != nil {
		return source, c, fail(exitConfig, err)
	}
	return source, c, nil
}

// source returns where the configuration is read from.
func (f *configFlags) source(cmd *cobra.Command) (config.Source, error) {
	s, err := fileSource(cmd, f.path)
	for i, flag := range settingFlags {
		if cmd.Flags().Changed(flag.name) {
			s.Flags = append(s.Flags, config.Flag{Name: flag.name, Path: flag.path, Value: f.values[i]})
		}
	}
	return s, err
}

// fileSource is the file and the environment.
func fileSource(cmd *cobra.Command, path string) (config.Source, error) {
	if path == "" {
		return config.Source{}, failf(exitUsage, "%s needs -c FILE", cmd.CommandPath()[len("portcullis "):])
	}
	return config.Source{Path: path, Environ: os.Environ()}, nil
}
