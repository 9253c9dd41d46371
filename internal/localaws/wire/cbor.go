package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/smithy-go/encoding/cbor"
)

// The services that spoke JSON 1.1 come to speak Smithy's RPC v2 with CBOR, as the tagging API's client in Go does. A
// [JSONService] answers both: what differs is the form of the body, and how the operation is named.

const (
	protocolHeader = "Smithy-Protocol"
	rpcV2          = "rpc-v2-cbor"
)

// rpc understands a request by the path /service/<name>/operation/<operation>.
func (rt *Router) rpc(r *http.Request, body []byte) Request {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	for len(parts) < 4 {
		parts = append(parts, "")
	}
	var err error
	if len(body) == 0 {
		body = []byte("{}")
	} else {
		body, err = jsonOfCBOR(body)
	}
	req := rt.json(parts[1]).request(parts[3], body)
	fail, apply := req.Fail, req.Apply
	req.Fail = func(e *Error) Reply { return cborReply(fail(e)) }
	if apply != nil {
		req.Apply = func(ctx context.Context) Reply {
			if err != nil {
				return req.Fail(&Error{Code: "SerializationException", Message: err.Error()})
			}
			return cborReply(apply(ctx))
		}
	}
	return req
}

// cborReply makes a reply in CBOR of one in JSON.
func cborReply(r Reply) Reply {
	d := json.NewDecoder(bytes.NewReader(r.Body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		panic(err) // JSON that was just encoded
	}
	header := r.Header.Clone()
	header.Set("Content-Type", "application/cbor")
	header.Set(protocolHeader, rpcV2)
	return Reply{r.Status, header, cbor.Encode(cborOf(v))}
}

// cborOf is what JSON decodes to, in CBOR.
func cborOf(v any) cbor.Value {
	switch v := v.(type) {
	case map[string]any:
		m := cbor.Map{}
		for name, item := range v {
			m[name] = cborOf(item)
		}
		return m
	case []any:
		l := cbor.List{}
		for _, item := range v {
			l = append(l, cborOf(item))
		}
		return l
	case string:
		return cbor.String(v)
	case bool:
		return cbor.Bool(v)
	case json.Number:
		if n, err := v.Int64(); err == nil && n >= 0 {
			return cbor.Uint(n)
		}
		f, err := v.Float64()
		if err != nil {
			panic(err) // a number
		}
		return cbor.Float64(f)
	}
	return &cbor.Nil{}
}

// jsonOfCBOR is a body in JSON that was in CBOR.
func jsonOfCBOR(body []byte) ([]byte, error) {
	v, err := cbor.Decode(body)
	if err != nil {
		return nil, err
	}
	plain, err := plainOf(v)
	if err != nil {
		return nil, err
	}
	return json.Marshal(plain)
}

// plainOf is a value as encoding/json takes it. The date's tag is left out: JSON has the same number for it.
func plainOf(v cbor.Value) (any, error) {
	switch v := v.(type) {
	case cbor.Map:
		m := map[string]any{}
		for name, item := range v {
			plain, err := plainOf(item)
			if err != nil {
				return nil, err
			}
			m[name] = plain
		}
		return m, nil
	case cbor.List:
		l := []any{}
		for _, item := range v {
			plain, err := plainOf(item)
			if err != nil {
				return nil, err
			}
			l = append(l, plain)
		}
		return l, nil
	case *cbor.Tag:
		return plainOf(v.Value)
	case cbor.String:
		return string(v), nil
	case cbor.Slice:
		return []byte(v), nil
	case cbor.Bool:
		return bool(v), nil
	case cbor.Uint:
		return uint64(v), nil
	case cbor.NegInt:
		return -int64(v), nil // it holds the amount
	case cbor.Float32:
		return float32(v), nil
	case cbor.Float64:
		return float64(v), nil
	case *cbor.Nil, *cbor.Undefined:
		return nil, nil
	}
	return nil, fmt.Errorf("localaws does not have values of the type %T", v)
}
