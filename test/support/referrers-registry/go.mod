module slim/referrers-registry

go 1.20

require github.com/olareg/olareg v0.1.1

require github.com/opencontainers/go-digest v1.0.0 // indirect
