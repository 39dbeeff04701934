// Serves the providers that Pulumi tests its language hosts with, each as a plugin of its own: the program is
// started by the name of the package, as pulumi-resource-<name>.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/pkg/v3/resource/plugin"
	"github.com/pulumi/pulumi/pkg/v3/testing/pulumi-test-language/providers"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

var all = map[string]plugin.Provider{
	"component":          &providers.ComponentProvider{},
	"primitive-defaults": &providers.PrimitiveDefaultsProvider{},
	"replaceonchanges":   &providers.ReplaceOnChangesProvider{},
	"secret":             &providers.SecretProvider{},
	"simple":             &providers.SimpleProvider{},
}

func main() {
	name := strings.TrimPrefix(filepath.Base(os.Args[0]), "pulumi-resource-")
	found, ok := all[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "there is no provider %q here\n", name)
		os.Exit(1)
	}
	serve := func(*provider.HostClient) (pulumirpc.ResourceProviderServer, error) {
		return plugin.NewProviderServer(found), nil
	}
	if err := provider.Main(name, serve); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
