package frame

// Format is how frames are spelt.
type Format uint8

// The formats.
const (
	JSON    Format = iota // in text frames
	Msgpack               // in binary frames

	Formats // how many there are
)

// Limits.
const (
	MaxFrameBytes   = 512 << 10 // maxFrameSize
	MaxMessageBytes = 64 << 10  // maxMessageSize: of all items of a frame together, see Size
	MaxItems        = 1000      // messages or presence items of a frame
	MaxParams       = 32        // channel parameters of an ATTACH
	MaxChannelBytes = 2048      // channel name
	maxIDBytes      = 256       // id of an item
	maxEncoding     = 256       // bytes of an encoding
	maxNames        = 32 << 10  // in a map; in JSON in all maps of a frame together. More do not fit into the largest publish
	keptBytes       = 16 << 10  // a Frame that has read more keeps no memory for the next
)

// Action is what a frame is for (TR2).
type Action uint8

// The actions.
const (
	ActionHeartbeat Action = iota
	ActionAck
	ActionNack
	ActionConnect
	ActionConnected
	ActionDisconnect
	ActionDisconnected
	ActionClose
	ActionClosed
	ActionError
	ActionAttach
	ActionAttached
	ActionDetach
	ActionDetached
	ActionPresence
	ActionMessage
	ActionSync
	ActionAuth
	ActionActivate
	ActionObject
	ActionObjectSync
	ActionAnnotation

	ActionUnknown Action = 255 // any other
)

// Flags of ATTACH and ATTACHED (TR3).
const (
	FlagHasPresence       = 1 << 0
	FlagHasBacklog        = 1 << 1
	FlagResumed           = 1 << 2
	FlagTransient         = 1 << 4
	FlagAttachResume      = 1 << 5
	FlagPresence          = 1 << 16 // the modes, from here on
	FlagPublish           = 1 << 17
	FlagSubscribe         = 1 << 18
	FlagPresenceSubscribe = 1 << 19
)
