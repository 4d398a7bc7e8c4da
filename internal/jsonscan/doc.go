// Package jsonscan reads one JSON object (RFC 8259) strictly and without
// allocating, member by member.
//
// It exists because the readers in use elsewhere are too kind for a credential:
// they match names without regard to case, take the last of two equal names,
// and replace broken UTF-8, so that two readers see two identities in one
// token. Here a name is repeated only if its unescaped bytes are, and then the
// text is refused; broken UTF-8, lone surrogates, control characters, data
// after the object and nesting beyond [MaxDepth] are refused too.
package jsonscan
