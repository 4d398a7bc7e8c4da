//go:build !planted

package fuzz

// planted is the defect that is planted: none.
const planted = ""
