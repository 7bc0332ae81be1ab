package archive

import (
	"compress/flate"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// Level is how hard a writer compresses, the value of ARTIFACT_COMPRESSION_LEVEL and CACHE_COMPRESSION_LEVEL.
type Level int

// The levels of GitLab. The zero value is its default.
const (
	LevelDefault Level = iota
	LevelFastest       // stores without compression, where the format can
	LevelFast
	LevelSlow
	LevelSlowest
)

// ParseLevel reads a level by GitLab's name; "" is the default. What it does not know is an error and the default.
func ParseLevel(name string) (Level, error) {
	switch name {
	case "", "default":
		return LevelDefault, nil
	case "fastest":
		return LevelFastest, nil
	case "fast":
		return LevelFast, nil
	case "slow":
		return LevelSlow, nil
	case "slowest":
		return LevelSlowest, nil
	}
	return LevelDefault, fmt.Errorf("compression level %q is not one of fastest, fast, default, slow and slowest", name)
}

// deflate is the level of zip and gzip (job-api contract 7.4).
func (l Level) deflate() int {
	switch l {
	case LevelFastest:
		return flate.NoCompression
	case LevelFast:
		return 1
	case LevelSlow:
		return 7
	case LevelSlowest:
		return 9
	}
	return 5
}

// zstd has four levels only.
func (l Level) zstd() zstd.EncoderLevel {
	switch l {
	case LevelFastest, LevelFast:
		return zstd.SpeedFastest
	case LevelSlow:
		return zstd.SpeedBetterCompression
	case LevelSlowest:
		return zstd.SpeedBestCompression
	}
	return zstd.SpeedDefault
}
