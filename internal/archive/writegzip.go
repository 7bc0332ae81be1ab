package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"

	"github.com/klauspost/compress/gzip"
)

// WriteGzip writes one gzip member for each file, in the order of their names; name and comment of the member are the file's base
// name and path. All files must be regular.
func WriteGzip(ctx context.Context, w io.Writer, dir string, files Files, level Level) error {
	z, err := gzip.NewWriterLevel(w, level.deflate())
	if err != nil {
		return err
	}
	buf := make([]byte, copyBuffer)
	return each(ctx, dir, files, func(m member) error {
		if !m.regular() {
			return fmt.Errorf("a %s cannot be sent as gzip, only regular files can", kindOf(m.info.Mode()))
		}
		z.Reset(w)
		z.Name, z.Comment, z.ModTime = latin1(path.Base(m.name)), latin1(m.name), m.info.ModTime()
		if err := copyAll(z, m.content, buf); err != nil {
			return err
		}
		return z.Close()
	})
}

// latin1 escapes a name that the header of a gzip member cannot hold.
func latin1(name string) string {
	for _, r := range name {
		if r > 0xff || r == 0 {
			return (&url.URL{Path: name}).EscapedPath()
		}
	}
	return name
}

// WriteRaw writes the bytes of the one file.
func WriteRaw(ctx context.Context, w io.Writer, dir string, files Files) error {
	if len(files) != 1 {
		return fmt.Errorf("%d files match, and only one file can be sent as raw", len(files))
	}
	return each(ctx, dir, files, func(m member) error {
		if !m.regular() {
			return errors.New("only a regular file can be sent as raw")
		}
		return copyAll(w, m.content, make([]byte, copyBuffer))
	})
}
