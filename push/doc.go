// Package push keeps the devices of an app that are registered for push messages,
// what they subscribe to, and who may change that. It delivers no message.
//
// The two calls you want are [New] and [Registry.Register].
//
// # Who may do what
//
// A credential with push-admin may do everything to every device of its app. One
// with push-subscribe may register a device, for its own clientId only; to come back
// to it, it must prove that it is that device: with the device token that
// registering has given it, or with the deviceSecret that it has registered with.
// A device token that stands alone may change and delete its own registration and
// its own subscriptions, and nothing else.
//
// A registration has a generation, which its device token carries. Whenever the
// device may have come into other hands the generation is another one, and the
// token of the old one is good no more: when it is registered again, and when its
// clientId or its deviceSecret changes.
//
// # Concurrency
//
// A Registry is safe for concurrent use, and its checks and writes of one record are
// one step, as long as one process has the store. Several processes on one store
// need more: a write that fails when the record is not the one that was checked.
package push
