package push

// RecordName is the name of a device's record.
func RecordName(app, deviceID string) string { return recordName(app, kindDevice, deviceID) }
