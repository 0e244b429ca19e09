// Package picture makes pictures of guests' screens.
package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
)

// PNG is a screenshot of virsh's as a PNG. An older QEMU writes a PPM.
func PNG(screenshot []byte) ([]byte, error) {
	if !bytes.HasPrefix(screenshot, []byte("P6")) {
		return screenshot, nil
	}
	picture, err := decodePPM(screenshot)
	if err != nil {
		return nil, fmt.Errorf("reading the screenshot: %w", err)
	}
	var out bytes.Buffer
	err = png.Encode(&out, picture)
	return out.Bytes(), err
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
