// Package wire is how clients reach the services of the stand-in: AWS's protocols JSON 1.1, RPC v2 with CBOR, Query and REST over HTTP, the
// record of calls, the faults that tests inject into them, and the authorization of a function's calls.
//
// A service describes its operations by a [JSONService], a [QueryService] or a [RESTService], and says by [Rules] what IAM
// is asked about each. An operation is a typed func; [Handle] and [HandleQuery] decode its input and encode its output. The
// [Router] serves them all on one endpoint.
//
// What it does not do: signatures are not verified. A request must carry an Authorization header; the access key id in it
// tells which Lambda environment made the request, the scope in it which service the request is for.
package wire
