// Package localtest is what the tests of the stand-in's services share: a server with clients, and the steps that many tests
// take with secrets, functions and ECS services. The tests' secret is "s", their ECS service "web" and their function "fn".
package localtest
