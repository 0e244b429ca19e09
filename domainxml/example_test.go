package domainxml_test

import (
	"fmt"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

func ExampleRewriter_Domain() {
	doc := `<domain type='kvm'>
  <name>instance-0000006c</name>
  <os>
    <type>hvm</type>
    <boot dev='hd'/>
  </os>
  <devices>
    <interface type='bridge'>
      <mac address='fa:16:3e:50:43:cd'/>
      <filterref filter='nova-base'/>
    </interface>
  </devices>
</domain>`
	r := domainxml.Rewriter{Policy: domainxml.DefaultPolicy()}
	res, err := r.Domain([]byte(doc), domainxml.Inactive)
	if err != nil {
		fmt.Println("goes on unchanged:", err)
	}
	for _, c := range res.Changes {
		fmt.Println(c)
	}
	fmt.Printf("%s\n", res.Output)
	// Output:
	// boot order network, hd instead of hd
	// filterref nova-base removed from interface fa:16:3e:50:43:cd
	// <domain type='kvm'>
	//   <name>instance-0000006c</name>
	//   <metadata>
	//     <netboot:domain xmlns:netboot="urn:virt-netboot:domain:1.0" metadata="new">
	//       <netboot:boot><netboot:was><boot dev='hd'/></netboot:was><netboot:wrote><boot dev='network'/><boot dev='hd'/></netboot:wrote></netboot:boot>
	//       <netboot:filterref device="interface" name="fa:16:3e:50:43:cd" position="1"><netboot:was><filterref filter='nova-base'/></netboot:was><netboot:wrote/></netboot:filterref>
	//     </netboot:domain>
	//   </metadata>
	//   <os>
	//     <type>hvm</type>
	//     <boot dev='network'/>
	//     <boot dev='hd'/>
	//   </os>
	//   <devices>
	//     <interface type='bridge'>
	//       <mac address='fa:16:3e:50:43:cd'/>
	//     </interface>
	//   </devices>
	// </domain>
}

func ExampleMatch_Fits() {
	lab := domainxml.Match{Project: []string{"lab-*"}, Bridge: []string{"br1*"}}
	d := domainxml.Domain{
		Type:    "kvm",
		Bridges: []string{"br100"},
		Nova:    domainxml.Nova{Project: domainxml.NovaOwner{Name: "lab-7"}},
	}
	fmt.Println(lab.Fits(d))
	// Output: true
}

func ExampleWarning() {
	doc := `<domain type='kvm'><os><type>hvm</type><kernel>/k</kernel></os></domain>`
	r := domainxml.Rewriter{Policy: domainxml.DefaultPolicy()}
	res, _ := r.Domain([]byte(doc), domainxml.Inactive)
	for _, w := range res.Warnings {
		if w.Kind == domainxml.WarningKernel {
			fmt.Println("never tries the network, because of", w.Kernel)
		}
	}
	// Output: never tries the network, because of /k
}
