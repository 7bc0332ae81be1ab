package archive

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zip"
	"github.com/klauspost/compress/zstd"
)

// WriteZip writes a zip archive that every unpacker reads: deflate, Zip64 where it is needed, and as metadata the Unix mode, the
// modification time (extra field 0x5455) and the owner (0x7875). Links are stored as links, directories also when empty.
func WriteZip(ctx context.Context, w io.Writer, dir string, files Files, level Level) error {
	method := zip.Deflate
	if level == LevelFastest {
		method = zip.Store
	}
	return writeZip(ctx, w, dir, files, level, method)
}

// WriteZipZstd writes a zip archive compressed with zstd, which few unpackers read: only for caches that ask for it.
func WriteZipZstd(ctx context.Context, w io.Writer, dir string, files Files, level Level) error {
	return writeZip(ctx, w, dir, files, level, zstd.ZipMethodWinZip)
}

func writeZip(ctx context.Context, w io.Writer, dir string, files Files, level Level, method uint16) error {
	z := zip.NewWriter(w)
	var deflater *flate.Writer // one for all members: it holds about a megabyte
	z.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		if deflater != nil {
			deflater.Reset(out)
			return deflater, nil
		}
		var err error
		deflater, err = flate.NewWriter(out, level.deflate())
		return deflater, err
	})
	z.RegisterCompressor(zstd.ZipMethodWinZip, zstd.ZipCompressor(zstd.WithEncoderLevel(level.zstd()), zstd.WithEncoderConcurrency(1)))
	buf := make([]byte, copyBuffer)
	err := each(ctx, dir, files, func(m member) error {
		header, err := zipHeader(m, method)
		if err != nil {
			return err
		}
		out, err := z.CreateHeader(header)
		switch {
		case err != nil:
			return err
		case m.regular():
			return copyAll(out, m.content, buf)
		}
		_, err = io.WriteString(out, m.target)
		return err
	})
	if err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("finish the zip archive: %w", err)
	}
	return nil
}

func zipHeader(m member, method uint16) (*zip.FileHeader, error) {
	h, err := zip.FileInfoHeader(m.info)
	if err != nil {
		return nil, err
	}
	h.Name, h.Method = m.name, zip.Store
	switch {
	case m.info.Mode().Type() == fs.ModeDir:
		h.Name += "/"
	case m.regular() && m.info.Size() > 0:
		h.Method = method
	}
	uid, gid := m.owner()
	h.Extra = ownerField(uid, gid)
	return h, nil
}

// ownerTag is Info-ZIP's extra field for numeric user and group.
const ownerTag = 0x7875

// ownerField writes version 1 of that field, each id with its length in front.
func ownerField(uid, gid uint32) []byte {
	field := binary.LittleEndian.AppendUint16(nil, ownerTag)
	field = binary.LittleEndian.AppendUint16(field, 11)
	field = binary.LittleEndian.AppendUint32(append(field, 1, 4), uid)
	return binary.LittleEndian.AppendUint32(append(field, 4), gid)
}
