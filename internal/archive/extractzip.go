package archive

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/klauspost/compress/zip"
	"github.com/klauspost/compress/zstd"
)

func (x *extraction) zip(ctx context.Context, file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("read the size of the archive: %w", err)
	}
	z, err := zip.NewReader(file, info.Size())
	if err != nil {
		return fmt.Errorf("read the archive: %w", err)
	}
	z.RegisterDecompressor(zstd.ZipMethodWinZip, zstd.ZipDecompressor(decoderOptions()...))
	// The whole list is checked before anything is written.
	gate, names := newGate(), make([]string, len(z.File))
	for i, f := range z.File {
		if names[i], err = gate.admit(f.Name, f.Mode()); err != nil {
			return err
		}
	}
	for i, f := range z.File {
		if err := x.zipEntry(ctx, f, names[i]); err != nil {
			return err
		}
	}
	return nil
}

func (x *extraction) zipEntry(ctx context.Context, f *zip.File, name string) error {
	e := entry{name: name, mode: f.Mode(), modified: f.Modified}
	e.uid, e.gid = readOwner(f.Extra)
	if e.mode.IsDir() {
		return x.create(ctx, e, nil)
	}
	content, err := f.Open()
	if err != nil {
		return fmt.Errorf("read %s from the archive: %w", name, err)
	}
	defer content.Close()
	if e.mode.Type() == fs.ModeSymlink {
		text, err := io.ReadAll(io.LimitReader(content, targetLimit))
		if err != nil {
			return fmt.Errorf("read %s from the archive: %w", name, err)
		}
		e.target = string(text)
	}
	return x.create(ctx, e, content)
}

// readOwner finds user and group in the extra fields of an entry; -1 where there are none, or not of four bytes each.
func readOwner(extra []byte) (uid, gid int) {
	for len(extra) >= 4 {
		tag, size := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if extra = extra[4:]; size > len(extra) {
			break
		}
		if f := extra[:size]; tag == ownerTag && size == 11 && f[0] == 1 && f[1] == 4 && f[6] == 4 {
			return int(int32(binary.LittleEndian.Uint32(f[2:]))), int(int32(binary.LittleEndian.Uint32(f[7:])))
		}
		extra = extra[size:]
	}
	return -1, -1
}

// decoderOptions bound what zstd takes: the window that its format recommends every decoder to support is 8 MiB, and
// none of GitLab's levels makes one above 32 MiB.
func decoderOptions() []zstd.DOption {
	return []zstd.DOption{zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(32 << 20)}
}
