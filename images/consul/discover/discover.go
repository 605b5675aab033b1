// Package discover stands in for github.com/hashicorp/go-discover: the same interface, with no cloud behind it.
//
// Consul uses it for one thing, `retry_join = ["provider=aws …"]`: finding other agents by asking a cloud. The real one brings
// the software kits of fourteen clouds, a quarter of all that is compiled here, and a single agent on a laptop asks none.
package discover

import (
	"errors"
	"log"
)

var errLeftOut = errors.New("discover: this build of Consul has no cloud providers; give addresses instead")

// Provider finds addresses in one cloud.
type Provider interface {
	Addrs(args map[string]string, l *log.Logger) ([]string, error)
	Help() string
}

// Providers is empty: they are what was left out.
var Providers = map[string]Provider{}

// Discover finds no address.
type Discover struct{}

// Option is accepted, and changes nothing.
type Option func(*Discover) error

func New(...Option) (*Discover, error)                        { return &Discover{}, nil }
func WithUserAgent(string) Option                             { return nil }
func WithProviders(map[string]Provider) Option                { return nil }
func (*Discover) Names() []string                             { return nil }
func (*Discover) Help() string                                { return errLeftOut.Error() }
func (*Discover) Addrs(string, *log.Logger) ([]string, error) { return nil, errLeftOut }
