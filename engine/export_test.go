package engine

// WaitCache waits until the cache has taken in what was put into it.
func (v *Verifier) WaitCache() {
	if v.cache != nil {
		v.cache.ristretto.Wait()
	}
}
