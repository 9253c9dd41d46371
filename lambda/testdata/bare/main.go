// Command bare is the least a Go function on Lambda can be: the measure for
// how long the rotation function takes to start.
package main

import "github.com/aws/aws-lambda-go/lambda"

func main() { lambda.Start(func() {}) }
