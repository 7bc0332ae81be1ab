package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/klauspost/compress/zstd"
)

// WriteTarZstd writes a tar archive compressed with zstd: only for caches that ask for it.
func WriteTarZstd(ctx context.Context, w io.Writer, dir string, files Files, level Level) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(level.zstd()), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	buf := make([]byte, copyBuffer)
	err = each(ctx, dir, files, func(m member) error {
		h, err := tar.FileInfoHeader(m.info, m.target)
		if err != nil {
			return err
		}
		h.Name = m.name
		if m.info.Mode().Type() == fs.ModeDir {
			h.Name += "/"
		}
		// The names of this container's users mean nothing elsewhere.
		h.Uname, h.Gname = "", ""
		// The format has whole seconds and would round up: a restored file must not look newer than the archive.
		h.ModTime = h.ModTime.Truncate(time.Second)
		if err := t.WriteHeader(h); err != nil || !m.regular() {
			return err
		}
		// A file that still grows is stored as it was when its header was written.
		return copyAll(t, io.LimitReader(m.content, h.Size), buf)
	})
	if err != nil {
		z.Close()
		return err
	}
	if err := errors.Join(t.Close(), z.Close()); err != nil {
		return fmt.Errorf("finish the tar archive: %w", err)
	}
	return nil
}
