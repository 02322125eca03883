// A client of a server under test, and a session of it, by grpc-go. Prints one line for each thing that it tries.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/golang/protobuf/ptypes/wrappers"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

type message = wrappers.BytesValue

func of(size int) *message { return &message{Value: []byte(strings.Repeat("x", size))} }

var bidi = &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}

// conn is a connection inside a stream, as BuildKit's clients make it.
type conn struct {
	grpc.ClientStream
	rest []byte
}

func (c *conn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		m := &message{}
		if err := c.RecvMsg(m); err != nil {
			return 0, err
		}
		c.rest = m.Value
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *conn) Write(p []byte) (int, error) {
	return len(p), c.SendMsg(&message{Value: p})
}

func (c *conn) Close() error                     { return c.CloseSend() }
func (c *conn) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (c *conn) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (c *conn) SetDeadline(time.Time) error      { return nil }
func (c *conn) SetReadDeadline(time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

type health struct{ grpc_health_v1.UnimplementedHealthServer }

func (health) Check(context.Context, *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	receive := grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(32<<20), grpc.MaxCallSendMsgSize(32<<20))
	cc, err := grpc.Dial(os.Args[1], grpc.WithInsecure(), receive)
	check(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	calls(ctx, cc)
	streams(ctx, cc)
	session(ctx, cc)
}

func calls(ctx context.Context, cc *grpc.ClientConn) {
	out := &message{}
	var header, trailer metadata.MD
	sent := metadata.NewOutgoingContext(ctx, metadata.MD{"include-patterns": {"a,b", "c"}})
	err := cc.Invoke(sent, "/t.T/Echo", of(3), out, grpc.Header(&header), grpc.Trailer(&trailer))
	fmt.Printf("echo %s %v %q %q\n", out.Value, err, header["seen"], trailer["after"])
	fmt.Println(cc.Invoke(ctx, "/t.T/Nope", of(0), out))
	fmt.Println(cc.Invoke(ctx, "/t.Other/Nope", of(0), out))
	st, _ := status.FromError(cc.Invoke(ctx, "/t.T/Fail", of(0), out))
	fmt.Println("fail", st.Code(), st.Message(), len(st.Proto().Details[0].Value))
	err = cc.Invoke(ctx, "/t.T/Echo", of(15<<20), out)
	fmt.Println("large", len(out.Value), err)
	fmt.Println("too large", cc.Invoke(ctx, "/t.T/Echo", of(17<<20), out))
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	fmt.Println("deadline", status.Code(cc.Invoke(short, "/t.T/Wait", of(0), out)))
}

func streams(ctx context.Context, cc *grpc.ClientConn) {
	s, err := cc.NewStream(ctx, bidi, "/t.T/Refuse")
	check(err)
	for err == nil {
		err = s.SendMsg(of(100_000))
	}
	fmt.Println("refused", err, s.RecvMsg(&message{}))
	cancelled, cancel := context.WithCancel(ctx)
	s, err = cc.NewStream(cancelled, bidi, "/t.T/Echoes")
	check(err)
	check(s.SendMsg(of(1)))
	m := &message{}
	check(s.RecvMsg(m))
	cancel()
	fmt.Println("cancelled", string(m.Value), status.Code(s.RecvMsg(m)))
}

// session serves inside a stream, and waits until the server under test ends it.
func session(ctx context.Context, cc *grpc.ClientConn) {
	sent := metadata.NewOutgoingContext(ctx, metadata.MD{
		"x-docker-expose-session-uuid":        {"go"},
		"x-docker-expose-session-grpc-method": {"/t.Inner/Data", "/t.Inner/Other"},
	})
	stream, err := cc.NewStream(sent, bidi, "/moby.buildkit.v1.Control/Session")
	check(err)
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, health{})
	data := grpc.StreamDesc{StreamName: "Data", ServerStreams: true, ClientStreams: true, Handler: serveData}
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "t.Inner", Streams: []grpc.StreamDesc{data}}, nil)
	(&http2.Server{}).ServeConn(&conn{ClientStream: stream}, &http2.ServeConnOpts{Handler: server})
	fmt.Println("session", stream.RecvMsg(&message{}))
}

func serveData(_ interface{}, stream grpc.ServerStream) error {
	md, _ := metadata.FromIncomingContext(stream.Context())
	for i := 0; i < 1000; i++ {
		if err := stream.SendMsg(of(32 << 10)); err != nil {
			return err
		}
	}
	size := 0
	for {
		m := &message{}
		err := stream.RecvMsg(m)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		size += len(m.Value)
	}
	fmt.Printf("data %d %q\n", size, md["include-patterns"])
	return status.Error(codes.NotFound, "none: \"ü\"")
}
