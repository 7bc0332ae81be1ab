package archive

import (
	"context"
	"crypto/sha256"
)

// Digest calls sum with the name and the SHA-256 of each regular file, in the order of their names.
func Digest(ctx context.Context, dir string, files Files, sum func(name string, digest []byte)) error {
	buf := make([]byte, copyBuffer)
	return each(ctx, dir, files, func(m member) error {
		if !m.regular() {
			return nil
		}
		hash := sha256.New()
		if err := copyAll(hash, m.content, buf); err != nil {
			return err
		}
		sum(m.name, hash.Sum(nil))
		return nil
	})
}
