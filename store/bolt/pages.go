package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// This file reads bbolt's pages (file format version 2) without believing them:
// every offset is checked, and no page is read twice, so that a damaged file
// yields an error and neither a fault nor an endless loop.

const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	pageHeaderBytes = 16 // id, flags, count, overflow
	elementBytes    = 16 // of both kinds of tree page
	metaBytes       = 64
	bucketBytes     = 16 // root page, sequence

	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
	bucketLeaf   = 0x01

	// A count of this says that the real one is the first number of the list.
	countFollows = 0xFFFF
)

var native = binary.NativeEndian

var errPage = errors.New("a page is not what it should be")

// meta is one of the two pages that say where the rest is; transactions write
// them in turn.
type meta struct {
	pageSize                   int
	root, freelist, high, txid uint64
}

// readMetas returns the newer of the two meta pages. If there is one but the other
// is bad, damage says so: the newest transaction may be the one that is lost.
func readMetas(f io.ReaderAt) (newest meta, damage, err error) {
	first, err0 := readMeta(f, 0)
	pageSize := first.pageSize
	if err0 != nil {
		pageSize = os.Getpagesize()
	}
	second, err1 := readMeta(f, int64(pageSize))
	switch {
	case err0 != nil && err1 != nil:
		return meta{}, nil, fmt.Errorf("both meta pages are bad: %w", err0)
	case err0 != nil:
		return second, fmt.Errorf("the first meta page is bad: %w", err0), nil
	case err1 != nil:
		return first, fmt.Errorf("the second meta page is bad: %w", err1), nil
	}
	newest = first
	if second.txid > first.txid {
		newest = second
	}
	if newest.txid-min(first.txid, second.txid) != 1 {
		damage = errors.New("the meta pages are not of consecutive transactions")
	}
	return newest, damage, nil
}

func readMeta(f io.ReaderAt, offset int64) (meta, error) {
	var page [pageHeaderBytes + metaBytes]byte
	if _, err := f.ReadAt(page[:], offset); err != nil {
		return meta{}, err
	}
	b := page[pageHeaderBytes:]
	sum := fnv.New64a()
	sum.Write(b[:56])
	if native.Uint32(b) != boltMagic || native.Uint32(b[4:]) != boltVersion || native.Uint64(b[56:]) != sum.Sum64() {
		return meta{}, errors.New("magic number, version or checksum")
	}
	m := meta{int(native.Uint32(b[8:])), native.Uint64(b[16:]), native.Uint64(b[32:]), native.Uint64(b[40:]), native.Uint64(b[48:])}
	if m.pageSize < 1<<10 || m.pageSize > 1<<16 || m.pageSize&(m.pageSize-1) != 0 {
		return meta{}, errors.New("page size")
	}
	return m, nil
}

// pages reads the pages of one snapshot.
type pages struct {
	meta
	f    io.ReaderAt
	used []bool // by page id
}

// newPages refuses a file that is shorter than its meta page says.
func newPages(f io.ReaderAt, size int64, m meta) (*pages, error) {
	if m.high < 3 || m.high > uint64(size)/uint64(m.pageSize) {
		return nil, fmt.Errorf("it has %d bytes, less than its %d pages of %d", size, m.high, m.pageSize)
	}
	used := make([]bool, m.high)
	used[0], used[1] = true, true
	return &pages{meta: m, f: f, used: used}, nil
}

// page reads a page with what overflows it, once.
func (p *pages) page(id uint64) (kind, count uint16, page []byte, err error) {
	fail := func() (uint16, uint16, []byte, error) {
		return 0, 0, nil, fmt.Errorf("page %d: %w", id, errPage)
	}
	if id < 2 || id >= p.high {
		return fail()
	}
	page = make([]byte, p.pageSize)
	if _, err := p.f.ReadAt(page, int64(id)*int64(p.pageSize)); err != nil {
		return 0, 0, nil, err
	}
	overflow := uint64(native.Uint32(page[12:]))
	if native.Uint64(page) != id || overflow >= p.high-id {
		return fail()
	}
	for i := id; i <= id+overflow; i++ {
		if p.used[i] {
			return fail()
		}
		p.used[i] = true
	}
	if overflow > 0 {
		page = append(page, make([]byte, int(overflow)*p.pageSize)...)
		if _, err := p.f.ReadAt(page[p.pageSize:], int64(id+1)*int64(p.pageSize)); err != nil {
			return 0, 0, nil, err
		}
	}
	return native.Uint16(page[8:]), native.Uint16(page[10:]), page, nil
}

// element is one of a leaf page.
type element func(isBucket bool, key, value []byte) error

// tree visits the elements of a tree, whose keys ascend from low on and stay below
// high (nil: no bound).
func (p *pages) tree(root uint64, low, high []byte, visit element) error {
	kind, count, page, err := p.page(root)
	if err != nil {
		return err
	}
	switch kind {
	case leafPage:
		return p.leaf(page, count, low, high, visit)
	case branchPage:
		return p.branch(page, count, low, high, visit)
	}
	return fmt.Errorf("page %d: %w", root, errPage)
}

func (p *pages) branch(page []byte, count uint16, low, high []byte, visit element) error {
	keys, children := make([][]byte, count), make([]uint64, count)
	for i := range keys {
		at := pageHeaderBytes + i*elementBytes
		if at+elementBytes > len(page) {
			return errPage
		}
		key, _, ok := cut(page[at:], native.Uint32(page[at:]), native.Uint32(page[at+4:]), 0)
		if !ok || !within(key, low, high) || i > 0 && bytes.Compare(keys[i-1], key) >= 0 {
			return errPage
		}
		keys[i], children[i] = key, native.Uint64(page[at+8:])
	}
	for i, child := range children {
		below := high
		if i+1 < len(keys) {
			below = keys[i+1]
		}
		if err := p.tree(child, keys[i], below, visit); err != nil {
			return err
		}
	}
	return nil
}

func (p *pages) leaf(page []byte, count uint16, low, high []byte, visit element) error {
	var before []byte
	for i := range int(count) {
		at := pageHeaderBytes + i*elementBytes
		if at+elementBytes > len(page) {
			return errPage
		}
		e := page[at:]
		key, value, ok := cut(e, native.Uint32(e[4:]), native.Uint32(e[8:]), native.Uint32(e[12:]))
		flags := native.Uint32(e)
		if !ok || flags > bucketLeaf || !within(key, low, high) || i > 0 && bytes.Compare(before, key) >= 0 {
			return errPage
		}
		if err := visit(flags == bucketLeaf, key, value); err != nil {
			return err
		}
		before = key
	}
	return nil
}

// bucket visits the elements of the bucket that a leaf element holds: a small one
// stands there whole, as a page of its own.
func (p *pages) bucket(value []byte, visit element) error {
	if len(value) < bucketBytes {
		return errPage
	}
	if root := native.Uint64(value); root != 0 {
		return p.tree(root, nil, nil, visit)
	}
	page := value[bucketBytes:]
	if len(page) < pageHeaderBytes || native.Uint16(page[8:]) != leafPage {
		return errPage
	}
	return p.leaf(page, native.Uint16(page[10:]), nil, nil, visit)
}

// cut returns the key and value that stand pos bytes behind the begin of an element.
func cut(e []byte, pos, keyBytes, valueBytes uint32) (key, value []byte, ok bool) {
	end := uint64(pos) + uint64(keyBytes) + uint64(valueBytes)
	if keyBytes == 0 || end > uint64(len(e)) {
		return nil, nil, false
	}
	return e[pos : pos+keyBytes], e[pos+keyBytes : end], true
}

func within(key, low, high []byte) bool {
	return bytes.Compare(key, low) >= 0 && (high == nil || bytes.Compare(key, high) < 0)
}

// checkFree reads the list of free pages, when everything in use has been read:
// a page must be one or the other. One that was both would be written over.
func (p *pages) checkFree() error {
	kind, count, page, err := p.page(p.freelist)
	if err != nil {
		return err
	}
	list, n := page[pageHeaderBytes:], uint64(count)
	if count == countFollows && len(list) >= 8 {
		n, list = native.Uint64(list), list[8:]
	}
	if kind != freelistPage || n > uint64(len(list)/8) {
		return fmt.Errorf("free pages: %w", errPage)
	}
	for i := range n {
		id := native.Uint64(list[8*i:])
		if id < 2 || id >= p.high || p.used[id] {
			return fmt.Errorf("page %d is free and in use", id)
		}
		p.used[id] = true
	}
	for id, used := range p.used {
		if !used {
			return fmt.Errorf("page %d is neither free nor in use", id)
		}
	}
	return nil
}
