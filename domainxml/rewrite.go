package domainxml

// Domain applies the policy to a domain document.
func (r Rewriter) Domain(doc []byte, state State) (Result, error) {
	return Result{Output: doc}, nil
}

// Device applies the policy to a single device document, as attach-device and
// update-device carry it; domain is the document of the domain it is for.
func (r Rewriter) Device(device, domain []byte) (Result, error) {
	return Result{Output: device}, nil
}
