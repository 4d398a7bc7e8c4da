// Package doctest runs the documentation: every command of every Markdown page is
// executed against a freshly built program, and every Go snippet is compiled.
//
// A page is run from top to bottom, in a directory of its own that holds
// bin/portcullis and, as a neighbour would, a checkout at portcullis. Exported
// variables and files stay from one block to the next. The first word after the
// fence says what a block is, the others how it is treated:
//
//	sh               commands for bash, which must all succeed
//	console          a line "$ command" is run, the lines below are what it must
//	                 print; … stands for any text, a line of … for any lines
//	console server   one command that keeps on running: it must print what is
//	                 shown, then it serves the blocks below until the next server
//	go               a whole file, compiled with the module path of the README
//	yaml, text       a file of the example, or, for text, anything that is no command
//	js               a snippet of JavaScript, which is run elsewhere: norun says where
//	json             a valid JSON text
//
//	exit=N           the last command must exit with N
//	file=NAME        the block is written to NAME
//	norun="REASON"   not run, and why; the test lists these
//
// Every other kind of block fails the test, so no command hides in one.
//
// A running server has ports of its own: 127.0.0.1:8080 and 127.0.0.1:8090 in a
// page stand for them. "make run" stands for "bin/portcullis dev", which is what
// it must start. A server that prints an export line has the variable exported
// to the blocks below it, as a reader would by copying the line.
package doctest
