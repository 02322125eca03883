// Reads and writes eStargz blobs with containerd's own package.
//
//	read BLOB TOC-DIGEST     prints "<sha256> <name>", ended by a NUL, of every regular file, each chunk verified
//	write lossless|lossy TAR BLOB   writes the blob and prints the digest of its table of contents
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path"
	"sort"

	"github.com/containerd/stargz-snapshotter/estargz"
	"github.com/opencontainers/go-digest"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(blob string, tocDigest digest.Digest) {
	file, err := os.Open(blob)
	check(err)
	info, err := file.Stat()
	check(err)
	r, err := estargz.Open(io.NewSectionReader(file, 0, info.Size()))
	check(err)
	verifier, err := r.VerifyTOC(tocDigest)
	check(err)
	root, ok := r.Lookup("")
	if !ok {
		return // a layer without entries
	}
	var lines []string
	walk(r, verifier, root, "", &lines)
	sort.Strings(lines)
	for _, line := range lines {
		fmt.Print(line, "\x00")
	}
}

func walk(r *estargz.Reader, verifier estargz.TOCEntryVerifier, entry *estargz.TOCEntry, name string, lines *[]string) {
	if entry.Type == "reg" {
		*lines = append(*lines, fmt.Sprintf("%x %s", sum(r, verifier, entry, name), name))
	}
	entry.ForeachChild(func(base string, child *estargz.TOCEntry) bool {
		walk(r, verifier, child, path.Join(name, base), lines)
		return true
	})
}

func sum(r *estargz.Reader, verifier estargz.TOCEntryVerifier, entry *estargz.TOCEntry, name string) []byte {
	hash := sha256.New()
	content, err := r.OpenFile(entry.Name)
	check(err)
	for at := int64(0); at < entry.Size; {
		chunk, ok := r.ChunkEntryForOffset(entry.Name, at)
		if !ok {
			check(fmt.Errorf("%s: no chunk at %d", name, at))
		}
		v, err := verifier.Verifier(chunk)
		check(err)
		data := make([]byte, chunk.ChunkSize)
		_, err = content.ReadAt(data, at)
		check(err)
		v.Write(data)
		if !v.Verified() {
			check(fmt.Errorf("%s: chunk at %d is not what its digest says", name, at))
		}
		hash.Write(data)
		at += chunk.ChunkSize
	}
	return hash.Sum(nil)
}

func write(mode, tar, blob string) {
	in, err := os.Open(tar)
	check(err)
	out, err := os.Create(blob)
	check(err)
	w := estargz.NewWriter(out)
	if mode == "lossless" {
		check(w.AppendTarLossLess(in))
	} else {
		check(w.AppendTar(in))
	}
	tocDigest, err := w.Close()
	check(err)
	check(out.Close())
	fmt.Println(tocDigest)
}

func main() {
	switch os.Args[1] {
	case "read":
		read(os.Args[2], digest.Digest(os.Args[3]))
	case "write":
		write(os.Args[2], os.Args[3], os.Args[4])
	}
}
