package helper

import (
	"bytes"
	"encoding/binary"
	"syscall"
)

// Numbers of the kernel's netlink interface to nf_tables (linux/netfilter/nfnetlink.h and nf_tables.h).
const (
	netlinkNetfilter = 12
	subsystemNFT     = 10 << 8
	messageNewTable  = subsystemNFT
	messageGetTable  = subsystemNFT | 1
	attributeName    = 1
)

// nftTables asks the kernel for the tables of nf_tables in this network namespace. known is false where it has none of that,
// or does not say. It is asked over netlink, as a file that would tell does not exist.
func nftTables() (names []string, known bool) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, netlinkNetfilter)
	if err != nil {
		return nil, false
	}
	defer func() { _ = syscall.Close(fd) }()
	_ = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 5})
	request := make([]byte, syscall.NLMSG_HDRLEN+4) // and nfgenmsg: any family, version 0
	binary.NativeEndian.PutUint32(request, uint32(len(request)))
	binary.NativeEndian.PutUint16(request[4:], messageGetTable)
	binary.NativeEndian.PutUint16(request[6:], syscall.NLM_F_REQUEST|syscall.NLM_F_DUMP)
	if syscall.Sendto(fd, request, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}) != nil {
		return nil, false
	}
	for answer := make([]byte, 1<<16); ; {
		n, _, err := syscall.Recvfrom(fd, answer, 0)
		if err != nil {
			return nil, false
		}
		messages, err := syscall.ParseNetlinkMessage(answer[:n])
		if err != nil {
			return nil, false
		}
		for _, m := range messages {
			switch m.Header.Type {
			case syscall.NLMSG_DONE:
				return names, true
			case syscall.NLMSG_ERROR:
				return nil, false
			case messageNewTable:
				names = append(names, tableName(m.Data))
			}
		}
	}
}

// tableName finds the name among the attributes of a table, which follow four bytes of nfgenmsg.
func tableName(data []byte) string {
	for data = data[min(4, len(data)):]; len(data) >= 4; {
		length, kind := int(binary.NativeEndian.Uint16(data)), binary.NativeEndian.Uint16(data[2:])
		if length < 4 || length > len(data) {
			break
		}
		if kind == attributeName {
			return string(bytes.TrimRight(data[4:length], "\x00"))
		}
		data = data[min((length+3)&^3, len(data)):]
	}
	return "?"
}
