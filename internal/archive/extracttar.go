package archive

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/klauspost/compress/zstd"
)

func (x *extraction) tarZstd(ctx context.Context, file *os.File) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read the archive from its start: %w", err)
	}
	z, err := zstd.NewReader(file, decoderOptions()...)
	if err != nil {
		return fmt.Errorf("read the archive: %w", err)
	}
	defer z.Close()
	gate, t := newGate(), tar.NewReader(z)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		mode := h.FileInfo().Mode()
		switch h.Typeflag {
		case tar.TypeReg, tar.TypeDir, tar.TypeSymlink:
		case tar.TypeLink:
			return refused(h.Name, "is a hard link")
		default:
			mode |= fs.ModeIrregular
		}
		name, err := gate.admit(h.Name, mode)
		if err != nil {
			return err
		}
		e := entry{name: name, mode: mode, modified: h.ModTime, uid: h.Uid, gid: h.Gid, target: h.Linkname}
		if err := x.create(ctx, e, t); err != nil {
			return err
		}
	}
}
