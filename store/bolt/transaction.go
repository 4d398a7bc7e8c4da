package bolt

import (
	"encoding/binary"
	"errors"

	"go.etcd.io/bbolt"

	"portcullis/store"
	"portcullis/store/internal/state"
)

// change is what one transaction writes.
type change struct {
	header
	drop    []state.Minute
	nonces  []spent
	add     []state.Entry
	remove  []state.Entry
	records []state.Change
}

// write makes a change durable. After an error the file is not to be used again:
// it need not be on the disk as it looks, and the totals are wrong.
func (f *file) write(c *change, create bool) error {
	err := guard(func() error {
		return f.db.Update(func(tx *bbolt.Tx) error {
			if create {
				names := [][]byte{bucketState, bucketNonces, bucketRevocations, bucketTotals}
				for _, b := range store.Buckets {
					names = append(names, []byte(b))
				}
				for _, name := range names {
					if _, err := tx.CreateBucket(name); err != nil {
						return err
					}
				}
			}
			t := transaction{tx: tx, totals: f.totals, touched: make(map[string]struct{})}
			return t.apply(c)
		})
	})
	f.panicked = f.panicked || errors.Is(err, errPanic)
	return err
}

// transaction applies a change to a bbolt transaction.
type transaction struct {
	tx      *bbolt.Tx
	totals  map[string]total
	touched map[string]struct{}
}

func (t *transaction) apply(c *change) error {
	var errs []error
	for _, m := range c.drop {
		errs = append(errs, t.drop(m))
	}
	errs = append(errs, t.spend(c.nonces))
	for _, e := range c.add {
		key, value := encodeRevocation(e)
		errs = append(errs, t.put(bucketRevocations, key, value))
	}
	for _, e := range c.remove {
		key, _ := encodeRevocation(e)
		errs = append(errs, t.put(bucketRevocations, key, nil))
	}
	for _, r := range c.records {
		errs = append(errs, t.put([]byte(r.Bucket), []byte(r.Name), r.Value))
	}
	totals := t.tx.Bucket(bucketTotals)
	for group := range t.touched {
		errs = append(errs, totals.Put([]byte(group), t.totals[group].encode()))
	}
	errs = append(errs, t.tx.Bucket(bucketState).Put(keyState, c.header.encode()))
	return errors.Join(errs...)
}

// drop forgets a minute, whole.
func (t *transaction) drop(m state.Minute) error {
	name := minuteName(m)
	group := groupNonces + string(name)
	if _, ok := t.totals[group]; !ok {
		return nil
	}
	delete(t.totals, group)
	return errors.Join(t.tx.Bucket(bucketNonces).DeleteBucket(name), t.tx.Bucket(bucketTotals).Delete([]byte(group)))
}

// spend writes nonces: one record for each of their minutes, behind those of
// earlier transactions, so that few pages change however many nonces there are.
func (t *transaction) spend(nonces []spent) error {
	records := make(map[state.Minute][]byte)
	for _, n := range nonces {
		m, offset := state.MinuteOf(n.expires)
		records[m] = appendNonce(records[m], n.key, offset)
	}
	key := binary.BigEndian.AppendUint64(nil, uint64(t.tx.ID()))
	for m, record := range records {
		name := minuteName(m)
		bucket, err := t.tx.Bucket(bucketNonces).CreateBucketIfNotExists(name)
		if err != nil {
			return err
		}
		bucket.FillPercent = 1 // records are only ever added at the end
		if err := bucket.Put(key, record); err != nil {
			return err
		}
		t.count(groupNonces+string(name), key, nil, record)
	}
	return nil
}

// put puts or, when value is nil, deletes a record.
func (t *transaction) put(bucket, key, value []byte) error {
	b, err := t.tx.CreateBucketIfNotExists(bucket) // a file of an earlier version may lack it
	if err != nil {
		return err
	}
	t.count(string(bucket), key, b.Get(key), value)
	if value == nil {
		return b.Delete(key)
	}
	return b.Put(key, value)
}

// count keeps the total of a group: old is what is there, if anything.
func (t *transaction) count(group string, key, old, value []byte) {
	sum := t.totals[group]
	if old != nil {
		sum.subtract(group, key, old)
	}
	if value != nil {
		sum.add(group, key, value)
	}
	t.totals[group] = sum
	t.touched[group] = struct{}{}
}
