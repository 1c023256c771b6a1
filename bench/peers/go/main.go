// The addition on Go's net/http.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
)

const download = 100 * 1024 * 1024

var piece = make([]byte, 64*1024)

type operands struct {
	A float64 `json:"val_a"`
	B float64 `json:"val_b"`
}

type sum struct {
	Sum float64 `json:"sum"`
}

type length struct {
	Length int64 `json:"length"`
}

func respond(w http.ResponseWriter, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(text)
}

func add(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	var in operands
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	respond(w, sum{in.A + in.B})
}

// Patterns with names in them are younger than the Go that Debian has.
func addByPath(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	if len(parts) != 5 || parts[3] != "val_b" {
		http.NotFound(w, r)
		return
	}
	a, errA := strconv.ParseFloat(parts[2], 64)
	b, errB := strconv.ParseFloat(parts[4], 64)
	if errA != nil || errB != nil {
		http.Error(w, "not two numbers", http.StatusBadRequest)
		return
	}
	respond(w, sum{a + b})
}

func takeUpload(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	respond(w, length{n})
}

func sendDownload(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(download))
	for sent := 0; sent < download; sent += len(piece) {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

func main() {
	for i := range piece {
		piece[i] = 'p'
	}
	http.HandleFunc("/", add)
	http.HandleFunc("/val_a/", addByPath)
	http.HandleFunc("/upload", takeUpload)
	http.HandleFunc("/download", sendDownload)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// It ends when whoever started it has.
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println("listens", listener.Addr().(*net.TCPAddr).Port)
	fmt.Fprintln(os.Stderr, http.Serve(listener, nil))
	os.Exit(1)
}
