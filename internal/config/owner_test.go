package config

import (
	"io/fs"
	"syscall"
)

// owner is user and group of a file.
func owner(info fs.FileInfo) [2]uint32 {
	own, _ := info.Sys().(*syscall.Stat_t)
	return [2]uint32{own.Uid, own.Gid}
}
