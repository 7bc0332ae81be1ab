// Package archive chooses the files of a job by GitLab's globs, packs them, and unpacks archives that others may have made.
//
// [Select] walks the project's directory and returns names, not contents. The writers ([WriteZip], [WriteZipZstd], [WriteGzip],
// [WriteRaw], [WriteTarZstd]) read one file after the other into a stream. [Extract] tells the kind of an archive by its first
// bytes and writes its entries. Memory grows with the number of files, never with their size.
//
// Everything below the directory is foreign: a link may point anywhere, and an archive may say anything. All access goes
// through an [os.Root], so nothing outside the directory is ever read or written, whatever happens at the same time.
//
// It runs no git, speaks to no server, and sets no limit on what an archive unpacks to: the disk and the job's timeout do.
package archive
