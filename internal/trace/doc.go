// Package trace carries the log of one job from the bytes that its containers and the runner write to GitLab.
//
// The way of a byte:
//
//	Section.Stream ─► commands ─► filter ─► stamp ─► queue ─► limit ─► spool ─► Ship, Finish ─► Uploader
//	                  ::add-mask::  hide      time of  sections  cut at    file,     patches,
//	                                secrets   lines    in order  the size  CRC-32    final PUT
//
// Each stream has a filter of its own, so that a secret split over two writes is found although other streams write
// in between. Sections that are open at the same time come out one after the other, in the order in which they were
// opened: the oldest open one goes straight through, the later ones wait in memory. The spool file is the truth, and
// the network catches up with it: Ship while the job runs, Finish when it has ended. Each of its records says which stream its
// bytes come from and how much of that stream is used up by then. So another process can go on with the log (Resume,
// Continue): it is given the stream once more from its beginning, which restores what masks and headers had to remember,
// and leaves out what the spool has. The server is never told more than what is on the disk, so a power cut leaves an exact
// beginning of the log.
//
// Bytes that are not UTF-8 stay as they are. GitLab repairs them where it displays a log, and a log that was
// downloaded raw then still holds what the job wrote.
//
// The package does not speak HTTP (the Uploader does), and does not decide how a job ends: it reports what the server said
// about the job and leaves the rest to the caller.
package trace
