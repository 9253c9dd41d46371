// Command bootstrap is the function of the contract's questions, as AWS Lambda starts it.
package main

import "mautic-rotation/internal/contract/function"

func main() { function.Serve() }
