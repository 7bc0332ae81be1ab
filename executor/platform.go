package executor

import "fmt"

// foreign reports whether programs for the image's platform need emulation on the engine's. Processors of 64 bits run
// those of their 32-bit kin.
func foreign(image, engine string) bool {
	switch {
	case image == "" || engine == "" || image == engine:
		return false
	case engine == "linux/arm64":
		return image != "linux/arm"
	case engine == "linux/amd64":
		return image != "linux/386"
	}
	return true
}

// meant reports whether an image for a platform is one that was asked for; what is not said fits.
func meant(asked, image string) bool {
	p := platform(asked)
	return p == nil || image == "" || image == p.OS+"/"+p.Architecture
}

// platform is the engine's, once it is known.
func (e *Engine) platform() string {
	if f, _ := e.learnt.get(); f != nil {
		return f.Platform
	}
	return ""
}

// warnForeign tells of an image for another platform before it is started, since binfmt emulation may make it run. The
// error is for when it did not; it is nil for an image of the engine's own platform.
func (s *starter) warnForeign(img Image, r resolved) error {
	engine := s.engine.platform()
	if !foreign(r.Platform, engine) {
		return nil
	}
	warn(s.log, "image %s is for %s, and this board is %s: it runs only where the board emulates that (binfmt), and slowly", img.Ref, r.Platform, engine)
	return &ConfigError{fmt.Errorf("image %s is for %s only, and this board is %s and does not emulate that (exec format error): use an image for %s, or install binfmt emulation on the board", img.Ref, r.Platform, engine, engine)}
}
