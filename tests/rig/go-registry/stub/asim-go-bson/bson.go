// Package bson is a stub: the original is not published, and only the module graph of go-plugins names it.
package bson
