// Package upstream runs the tests that Pulumi has for the components of a provider, `provider-*` of
// pulumi-test-language, on two components that are built on our library.
package upstream

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-yaml/pkg/server"
	"github.com/pulumi/pulumi/pkg/v3/testing/pulumi-test-language/runner"
	"github.com/pulumi/pulumi/pkg/v3/testing/pulumi-test-language/tests"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	testingrpc "github.com/pulumi/pulumi/sdk/v3/proto/go/testing"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// packages are those that the tests want from whoever is tested.
var packages = []string{"builtin-info-component", "conformance-component"}

func TestComponents(t *testing.T) {
	names := []string{}
	for name := range tests.LanguageTests {
		if strings.HasPrefix(name, "provider-") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	require.Len(t, names, 5, "Pulumi has other tests now: %v", names)

	t.Setenv("PULUMI_ACCEPT", "1") // programs and SDKs are what Pulumi makes of them
	engine, err := runner.Start(t.Context(), tests.LanguageTestdata, tests.LanguageTests)
	require.NoError(t, err)
	dial := grpc.WithTransportCredentials(insecure.NewCredentials())
	connection, err := grpc.NewClient(engine.Address(), dial, rpcutil.GrpcChannelOptions())
	require.NoError(t, err)
	client := testingrpc.NewLanguageTestClient(connection)
	prepared, err := client.PrepareLanguageTests(t.Context(), &testingrpc.PrepareLanguageTestsRequest{
		LanguagePluginName:   "yaml",
		LanguagePluginTarget: serve(t, host{server.NewLanguageHost(engine.Address(), ""), components(t)}),
		TemporaryDirectory:   t.TempDir(),
		SnapshotDirectory:    t.TempDir(),
		ProvidersDirectory:   providers(t),
	})
	require.NoError(t, err)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			result, err := client.RunLanguageTest(t.Context(), &testingrpc.RunLanguageTestRequest{
				Token: prepared.Token, Test: name, SkipConvertTests: true,
			})
			require.NoError(t, err)
			said := append(result.Messages, result.Stdout, result.Stderr)
			require.True(t, result.Success, strings.Join(said, "\n"))
		})
	}
}

// components is where `cargo test` puts the binaries.
func components(t *testing.T) string {
	folder := os.Getenv("COMPONENTS")
	if folder == "" {
		folder = "../../target/debug/examples"
	}
	folder, err := filepath.Abs(folder)
	require.NoError(t, err)
	for _, name := range packages {
		require.FileExists(t, filepath.Join(folder, name), "run `cargo test --no-run` first")
	}
	return folder
}

// providers makes a folder with what Pulumi wants to see of a plugin. It copies that without the mode of files, so the
// binaries stay where they are.
func providers(t *testing.T) string {
	folder := t.TempDir()
	for _, name := range packages {
		require.NoError(t, os.Mkdir(filepath.Join(folder, name), 0o755))
		plugin := []byte(fmt.Sprintf("runtime: yaml\nname: %s\n", name))
		require.NoError(t, os.WriteFile(filepath.Join(folder, name, "PulumiPlugin.yaml"), plugin, 0o644))
	}
	return folder
}

func serve(t *testing.T, host pulumirpc.LanguageRuntimeServer) string {
	init := func(server *grpc.Server) error {
		pulumirpc.RegisterLanguageRuntimeServer(server, host)
		return nil
	}
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{Init: init})
	require.NoError(t, err)
	return fmt.Sprintf("127.0.0.1:%d", handle.Port)
}

// host is Pulumi's host for programs in YAML, but for plugins: it runs those as what they are, native binaries.
type host struct {
	pulumirpc.LanguageRuntimeServer
	components string
}

func (h host) RunPlugin(request *pulumirpc.RunPluginRequest, stream pulumirpc.LanguageRuntime_RunPluginServer) error {
	binary := filepath.Join(h.components, filepath.Base(request.GetInfo().GetProgramDirectory()))
	plugin := exec.CommandContext(stream.Context(), binary, request.GetArgs()...)
	plugin.Env, plugin.Dir = append(os.Environ(), request.GetEnv()...), request.GetPwd()
	plugin.Cancel = func() error { return plugin.Process.Signal(os.Interrupt) }
	plugin.Stdout = writer(func(text []byte) error {
		return stream.Send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stdout{Stdout: text}})
	})
	plugin.Stderr = writer(func(text []byte) error {
		return stream.Send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stderr{Stderr: text}})
	})
	if err := plugin.Run(); plugin.ProcessState == nil {
		return err
	}
	status := int32(plugin.ProcessState.ExitCode())
	return stream.Send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Exitcode{Exitcode: status}})
}

// InstallDependencies has nothing to do: a binary has none.
func (host) InstallDependencies(
	*pulumirpc.InstallDependenciesRequest, pulumirpc.LanguageRuntime_InstallDependenciesServer,
) error {
	return nil
}

func (h host) Link(ctx context.Context, request *pulumirpc.LinkRequest) (*pulumirpc.LinkResponse, error) {
	if slices.Contains(packages, filepath.Base(request.GetInfo().GetProgramDirectory())) {
		return &pulumirpc.LinkResponse{}, nil
	}
	return h.LanguageRuntimeServer.Link(ctx, request)
}

type writer func([]byte) error

func (write writer) Write(text []byte) (int, error) {
	return len(text), write(slices.Clone(text))
}
