package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
)

// toPNG turns what virsh screenshot wrote, a PPM with old QEMU, into a PNG.
func toPNG(from, to string) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(raw, []byte("P6")) {
		return os.WriteFile(to, raw, 0o644)
	}
	picture, err := decodePPM(raw)
	if err != nil {
		return fmt.Errorf("reading the screenshot: %w", err)
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if err := png.Encode(out, picture); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// decodePPM reads a binary PPM with 8 bits a colour, as QEMU writes it.
func decodePPM(raw []byte) (image.Image, error) {
	var width, height, top int
	if _, err := fmt.Sscanf(string(raw[:min(len(raw), 64)]), "P6\n%d %d\n%d\n", &width, &height, &top); err != nil {
		return nil, err
	}
	header := fmt.Sprintf("P6\n%d %d\n%d\n", width, height, top)
	pixels := raw[min(len(header), len(raw)):]
	if top != 255 || len(pixels) < 3*width*height {
		return nil, fmt.Errorf("%d×%d with %d bytes", width, height, len(pixels))
	}
	picture := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		p := pixels[3*i : 3*i+3]
		picture.Set(i%width, i/width, color.RGBA{p[0], p[1], p[2], 255})
	}
	return picture, nil
}
