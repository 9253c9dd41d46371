// Package credential is the contract between the rotation engine (package
// rotation) and the kinds of credential that it rotates: a database password, an
// access key, an API client. The engine calls it, kinds implement it, and neither
// knows more of the other.
//
// The engine knows versions of a secret, their staging labels, and their text. It
// decides when something is done. A kind knows where its credential stands in the
// text (a [document.Document]), how to make a new value, and the target that
// accepts it: the server, the API or the application that checks the credential.
// A kind knows nothing of Secrets Manager. It keeps nothing from one call to the
// next, for each call may come from another process, and after a crash.
//
// # Writing a kind
//
// Implement [Kind]. These rules hold for every method:
//
//   - It may be called again after any failure, and by two processes at once. So
//     look at what the target has, compare it with what is wanted, and act on the
//     difference. Change a value only if it is still the one that you have read:
//     a compare-and-swap, or a lock at the target.
//   - It calls Confirm, by way of [Confirmed], right before it writes to the
//     target, under whatever lock it holds. If that fails, it writes nothing.
//   - An error says what is wrong and what an operator can do about it, and never
//     holds a secret value. What it says of the credential is its [Outcome]; make
//     it with [Failf] or as a [Failure]. Only [Denied] means that the target
//     refused the value. If in doubt, say [Unknown].
//
// If the target can accept two values at a time, implement [Retirer] too: the old
// value then stays in use until every task has the new one. Otherwise Set
// replaces the old value, and PutBack has to be able to undo that. Implement
// [Baseliner] if the target may not tell which value a login used, [Revoker] if
// sessions or tokens outlive the value that they were opened with, [Issuer] if the
// target itself makes the values, and [Dependent] if the way to the target is another
// kind's.
//
// The order of the calls in one rotation is
//
//	Generate                  createSecret; of an Issuer after the others; the new document is stored
//	Set                       setSecret; both values are accepted, if possible
//	Test                      testSecret; on an error PutBack
//	Probe                     finishSecret, before the promotion
//	InUse                     from the time on when every task has the new value
//	Baseline, Quarantine      of a [Baseliner]; of others Quarantine alone
//	InUse                     over and over, while the old value is refused
//	Retire                    or Restore, if something still used the old value
//
// and any of them may be the last one, or the first one again.
package credential
